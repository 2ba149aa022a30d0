"""The product simulated: real rooms, virtual time, and everything around them failing by a seed."""
