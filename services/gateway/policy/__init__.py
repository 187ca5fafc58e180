"""What each platform demands of us: the rules of WeChat, of Apple and of the law, by kind of client."""
