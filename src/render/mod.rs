//! A report as text or JSON: pure, one file per format.
