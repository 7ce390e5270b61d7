"""One HTML file that holds a whole report: what it is made of (`blocks`) and how it is written (`page`)."""
