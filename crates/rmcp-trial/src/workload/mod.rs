//! What is run: shapes, tolerances, and how each software is asked to compute it.
