"""Every setting of Batchyard, each read from the environment. A bad value is refused by name.

Two ways to run, decided by what the environment names:

* embedded (neither DATABASE_URL nor REDIS_URL): SQLite, an in-memory broker, one process;
* grown-up (both): PostgreSQL and Redis, as many processes and machines as wanted.
"""

from config.settings.engine import *
from config.settings.intake import *
from config.settings.logs import *
from config.settings.people import *
from config.settings.release import *
from config.settings.storage import *
from config.settings.web import *
