"""What contracts refused: one class for each of their errors, one file for each contract or part of one."""
