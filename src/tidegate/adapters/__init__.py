"""One folder a port, one file or package a product. Only adapters know foreign libraries; they map foreign errors."""
