"""The official description of the Connect API as a table, a judge of answers by it, and a caller that judges every one."""
