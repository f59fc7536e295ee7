"""Django's settings, one file for each concern; the values come from config/environment.py."""

from config.settings.api import *
from config.settings.apps import *
from config.settings.product import *
from config.settings.protection import *
from config.settings.stores import *
from config.settings.tasks import *
