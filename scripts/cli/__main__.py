"""`python -m scripts.cli` is `trollllm`."""

from scripts.cli import main

if __name__ == "__main__":
    main()
