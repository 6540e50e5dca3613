"""Scripts that rebuild the bundled atlases from the packages that each names; run by hand."""
