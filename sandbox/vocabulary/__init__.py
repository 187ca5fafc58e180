"""The local model's vocabulary, from its weights to the form in which tiktoken reads one."""
