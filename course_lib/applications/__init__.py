"""What the families are for: pictures from pictures, larger pictures, faults found, labels stretched."""
