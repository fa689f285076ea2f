import sys

from infra.localcloud.daemon.main import main

sys.exit(main())
