"""Who asks: logins, sessions, API keys, accounts, WeChat."""
