"""What runs inside a worker: weights, the handler contract, and the cloud's own worker SDK. Standard library only."""
