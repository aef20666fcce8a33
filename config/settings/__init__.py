"""All settings of Batchyard. Each is read from the environment. A bad value raises an error that names the variable.

The portal runs in one of two ways:

* embedded, if neither DATABASE_URL nor REDIS_URL is set: SQLite, a broker in memory, one process;
* grown-up, if both are set: PostgreSQL and Redis, and any number of processes and machines.
"""

from config.settings.engine import *
from config.settings.intake import *
from config.settings.logs import *
from config.settings.metrics import *
from config.settings.notices import *
from config.settings.people import *
from config.settings.release import *
from config.settings.storage import *
from config.settings.web import *
from config.settings.webhooks import *
