"""What stands in for the outside on a laptop, and the launcher of the whole mesh."""

import os

# A child begins with a fork, in which it is told to end with us. gRPC has threads that a fork leaves behind; its own
# handlers of forks would look for them, and crash the child. It reads this when it is first used.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
