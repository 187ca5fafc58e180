"""What every HTTP request meets: server, middleware, body, queries, errors and their texts."""
