"""What money may do. Pure: values in, values out; standard library only."""
