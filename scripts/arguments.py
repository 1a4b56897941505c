"""Arguments that several of these scripts take."""
import argparse


def image_shape(text):
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not HEIGHTxWIDTH, for example 28x28")
    return height, width
