"""What ours is compared with. Each: `PORT TICKS json|binary PICTURE`, or as its text says."""
