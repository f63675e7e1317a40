"""What ``musrec train`` makes: every file of numbers that the package ships."""
