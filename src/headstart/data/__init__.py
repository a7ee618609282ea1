"""Where samples come from: folders, arrays and named sets, behind one small protocol."""
