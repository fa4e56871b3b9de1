"""`python -m clt_ray` is `clt-ray`."""

import sys

from clt_ray.cli import main

sys.exit(main())
