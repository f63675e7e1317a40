"""`python -m musrec` is `musrec`, for whoever has no program of that name on the path."""

from musrec.cli import main

if __name__ == "__main__":
    main()
