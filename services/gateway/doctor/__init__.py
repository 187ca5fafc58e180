"""`queqiao doctor`: whether a deployment is reached from outside as its clients need it, and what to mend."""
