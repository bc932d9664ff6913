"""The content filter: rules over text, and what of an answer they are put to."""
