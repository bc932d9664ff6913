"""Runs a supervisor: supervise.py PORT WORKERS COMMAND..."""

import sys

from addons.supervisor import Supervisor, open_listener

if __name__ == "__main__":
    port, workers, *command = sys.argv[1:]
    listener = open_listener("127.0.0.1", int(port))
    supervisor = Supervisor(listener, int(workers), command, restart_after_s=(0.05,))
    sys.exit(supervisor.run())
