"""Schedules: when they come next (`times`, `cron`), and the clock that calls their functions (`runner`)."""
