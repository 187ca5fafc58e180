"""The WeChat stand-in: the platform's wire protocol, for people who have no account with it."""
