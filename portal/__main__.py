"""`python -m portal`: serve the portal with the settings of the environment."""

from portal.server import run
from shared.settings import Settings

if __name__ == "__main__":
    run(Settings.load())
