"""The trollllm command."""
