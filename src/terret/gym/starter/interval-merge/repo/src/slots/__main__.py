import sys

from slots.cli import main

sys.exit(main())
