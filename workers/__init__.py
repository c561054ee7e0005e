"""The bell, the RQ workers, one run over a mailbox, and the timetable."""
