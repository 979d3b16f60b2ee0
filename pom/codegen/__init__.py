"""HLS C++, testbench and project from level 3."""
