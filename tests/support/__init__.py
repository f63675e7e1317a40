"""What tests share: loopback services, a simulated Discord, made-up music, members and clocks."""
