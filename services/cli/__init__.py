"""The command line `queqiao`: each service brings its own commands, this mounts them."""
