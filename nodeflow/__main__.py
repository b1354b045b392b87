"""`python -m nodeflow`: the command line."""

from nodeflow.cli import main

if __name__ == "__main__":
    main()
