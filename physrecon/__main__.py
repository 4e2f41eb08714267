"""python -m physrecon"""

import sys

from physrecon.cli.main import main

sys.exit(main())
