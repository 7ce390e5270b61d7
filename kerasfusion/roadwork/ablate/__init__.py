"""`ablate`: cache and a finished fit to what the fusion is worth without each branch, and what each branch costs."""
