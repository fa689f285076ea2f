#!/bin/sh
# pilotlight-shim: `pulumi` for this checkout. For its project and only where nothing else is said, state goes to
# .pilotlight/state and secrets are encrypted with .pilotlight/passphrase. Everything else is handed to the real CLI as it is.
root=@ROOT@
real=@PULUMI@
bundled=@BUNDLED@
home=$root/.pilotlight
state=$home/state
stacks=$state/.pulumi/stacks/pilotlight

main() {
	[ -x "$real" ] || fail "the Pulumi CLI is gone from $real; run: make -C $root setup"
	export PULUMI_SKIP_UPDATE_CHECK="${PULUMI_SKIP_UPDATE_CHECK-true}"
	# A language host of another Pulumi on PATH would be taken before the one that was built with this CLI.
	if [ -n "$bundled" ]; then export PULUMI_IGNORE_AMBIENT_PLUGINS="${PULUMI_IGNORE_AMBIENT_PLUGINS-true}"; fi
	read_words "$@"
	in_this_project || exec "$real" "$@"
	case $command in
	install) exec make -C "$root" setup ;;
	login | logout) exec "$real" "$@" ;;
	'' | about | help | new | org | plugin | policy | schema | version | whoami) plain=1 ;;
	esac
	if [ -n "${PULUMI_BACKEND_URL-}" ] || grep -q '^backend:' "$root/Pulumi.yaml"; then exec "$real" "$@"; fi

	mkdir -p "$state"
	export PULUMI_BACKEND_URL="file://$state"
	if [ -z "${PULUMI_CONFIG_PASSPHRASE+set}${PULUMI_CONFIG_PASSPHRASE_FILE+set}" ]; then
		[ -s "$home/passphrase" ] || make_passphrase
		export PULUMI_CONFIG_PASSPHRASE_FILE="$home/passphrase"
	fi
	if [ -n "$plain" ]; then exec "$real" "$@"; fi

	release_dead_locks
	find_stack
	if [ "$stack" != dev ]; then
		case $command in
		up | update | config | import) echo "pulumi: stack $stack is kept in this checkout only; docs/state-backends.md says how to share it" >&2 ;;
		esac
		exec "$real" "$@"
	fi
	case "$command $subcommand" in
	'stack rm' | 'stack remove') exec "$real" "$@" --preserve-config ;;
	esac
	if [ -f "$stacks/dev.json" ] && [ -s "$home/dev.salt" ]; then
		with_salt "$@"
	else
		init_dev
		case "$command $subcommand" in
		'stack init' | 'stack new') echo "Created stack 'dev'" ;;
		*) with_salt "$@" ;;
		esac
	fi
}

# The salt of dev's passphrase belongs to this machine, and the CLI wants it in the stack's settings file, which is committed. So
# the CLI is given a copy that has it.
with_salt() {
	settings=$root/stacks/Pulumi.dev.yaml
	case $command in
	up | update | preview | pre | refresh | destroy | down | dn | import | watch | logs | config) ;;
	*) exec "$real" "$@" ;;
	esac
	if [ -n "$config_file" ] || grep -qs '^\(encryptionsalt\|secretsprovider\):' "$settings"; then exec "$real" "$@"; fi
	copy=$home/settings/$$/Pulumi.dev.yaml
	mkdir -p "${copy%/*}"
	{
		echo "encryptionsalt: $(cat "$home/dev.salt")"
		[ ! -f "$settings" ] || cat "$settings"
	} >"$copy"
	if [ "$command" != config ] && [ -z "$sets_config" ]; then
		sweep_copies
		exec "$real" "$@" --config-file "$copy"
	fi
	"$real" "$@" --config-file "$copy"
	code=$?
	without_salt=${copy%.yaml}.out
	sed '/^encryptionsalt:/d' "$copy" >"$without_salt"
	cmp -s "$without_salt" "$settings" || cat "$without_salt" >"$settings"
	rm -rf "${copy%/*}"
	exit $code
}

# A run becomes the CLI and so cannot clean up its own copy; a later one does.
sweep_copies() {
	for old in "$home"/settings/*; do
		alive "${old##*/}" || rm -rf "$old"
	done
}

# Creates the stack in a project of the same name elsewhere: the CLI writes the salt to the settings file of the project it runs in.
init_dev() {
	lock=$home/init.lock
	tries=0
	until mkdir "$lock" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || rmdir "$lock" 2>/dev/null
		sleep 0.1
		if [ -f "$stacks/dev.json" ] && [ -s "$home/dev.salt" ]; then return; fi
	done
	aside=$home/init
	rm -rf "$aside"
	mkdir -p "$aside"
	printf 'name: pilotlight\nruntime: python\n' >"$aside/Pulumi.yaml"
	if [ -f "$stacks/dev.json" ]; then
		# The salt was lost, not the stack. The state has it, once something was deployed.
		sed -n 's/.*"salt": *"\(v1:[^"]*\)".*/encryptionsalt: \1/p' "$stacks/dev.json" | head -n 1 >"$aside/Pulumi.dev.yaml"
		[ -s "$aside/Pulumi.dev.yaml" ] || "$real" -C "$aside" stack rm dev --yes --preserve-config >/dev/null
	fi
	if [ ! -f "$stacks/dev.json" ]; then
		"$real" -C "$aside" stack init dev --non-interactive >"$aside/log" 2>&1 || { cat "$aside/log" >&2; rmdir "$lock"; exit 1; }
	fi
	sed -n 's/^encryptionsalt: *//p' "$aside/Pulumi.dev.yaml" >"$home/dev.salt"
	rm -rf "$aside"
	rmdir "$lock"
	[ -n "$selected" ] || "$real" -C "$root" stack select dev --non-interactive >/dev/null 2>&1
}

make_passphrase() {
	(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$home/passphrase.$$")
	ln "$home/passphrase.$$" "$home/passphrase" 2>/dev/null
	rm -f "$home/passphrase.$$"
}

# A killed CLI leaves its lock behind. It names the process, so one that is gone can be told from one at work.
release_dead_locks() {
	for lock in "$state"/.pulumi/locks/organization/pilotlight/*/*.json; do
		[ -f "$lock" ] || return
		host=$(sed -n 's/.*"hostname": *"\([^"]*\)".*/\1/p' "$lock")
		pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$lock")
		if [ -n "$pid" ] && [ "$host" = "$(uname -n)" ] && ! alive "$pid"; then
			rm -f "$lock" "$lock.attrs"
			echo "pulumi: released the lock of process $pid, which is gone" >&2
		fi
	done
}

# Whether a process with this id runs and is a Pulumi: ids are used again.
alive() {
	if [ -d /proc/self ]; then
		name=
		stat=
		{ read -r name <"/proc/$1/comm" && read -r stat <"/proc/$1/stat"; } 2>/dev/null
		case ${stat##*) } in
		Z*) name= ;; # it has ended, and its parent has not looked yet
		esac
	else
		name=$(ps -o comm= -p "$1" 2>/dev/null)
	fi
	case $name in
	*pulumi*) true ;;
	*) false ;;
	esac
}

# The stack that the command is about: named, or selected, or dev where this checkout has no other.
find_stack() {
	[ -n "$stack" ] || stack=${PULUMI_STACK-}
	selected=
	if [ -z "$stack" ]; then
		id=$(printf %s "$root/Pulumi.yaml" | { sha1sum 2>/dev/null || shasum; })
		file=${PULUMI_HOME:-$HOME/.pulumi}/workspaces/pilotlight-${id%% *}-workspace.json
		[ ! -f "$file" ] || selected=$(grep -F "\"$PULUMI_BACKEND_URL\"" "$file" | sed 's/.*: *"\([^"]*\)".*/\1/')
		stack=$selected
	fi
	if [ -z "$stack" ]; then
		for other in "$stacks"/*.json; do
			[ "$other" = "$stacks/*.json" ] || [ "$other" = "$stacks/dev.json" ] || return
		done
		stack=dev
	fi
	case $stack in
	organization/pilotlight/*) stack=${stack##*/} ;;
	esac
}

# Sets what the arguments say. A stack may also be named by a word: `stack select dev`.
read_words() {
	command='' subcommand='' stack='' config_file='' sets_config='' directory=. plain='' flag=''
	for word in "$@"; do
		case $flag in
		stack) stack=$word ;;
		directory) directory=$word ;;
		config_file) config_file=$word ;;
		esac
		[ -z "$flag" ] || { flag='' && continue; }
		case $word in
		-s | --stack) flag=stack ;;
		-C | --cwd) flag=directory ;;
		--config-file) flag=config_file ;;
		--color | --tracing | --profiling | --memprofilerate | -v | --verbose) flag=other ;;
		-c | --config) flag=other sets_config=1 ;;
		-c* | --config=*) sets_config=1 ;;
		-s=* | --stack=*) stack=${word#*=} ;;
		-s*) stack=${word#-s} ;;
		-C=* | --cwd=*) directory=${word#*=} ;;
		-C*) directory=${word#-C} ;;
		--config-file=*) config_file=${word#*=} ;;
		-h | --help) plain=1 ;;
		-*) ;;
		*) take_word ;;
		esac
	done
}

take_word() {
	if [ -z "$command" ]; then
		command=$word
	elif [ -z "$subcommand" ]; then
		subcommand=$word
	elif [ -z "$stack" ] && [ "$command" = stack ]; then
		case $subcommand in
		init | new | rm | remove | select) stack=$word ;;
		esac
	fi
}

in_this_project() {
	dir=$(CDPATH='' cd -- "$directory" 2>/dev/null && pwd -P) || return 1
	while [ ! -e "$dir/Pulumi.yaml" ] && [ "$dir" != / ] && [ -n "$dir" ]; do dir=${dir%/*}; done
	[ "$dir" = "$root" ]
}

fail() {
	echo "pulumi: $1" >&2
	exit 1
}

main "$@"
