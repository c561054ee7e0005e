"""What Gmail's methods cost, in units of its quota."""

UNITS = {
    "gmail.users.getProfile": 1,
    "gmail.users.history.list": 2,
    "gmail.users.labels.create": 5,
    "gmail.users.labels.list": 1,
    "gmail.users.messages.attachments.get": 20,
    "gmail.users.messages.get": 20,  # in any format
    "gmail.users.messages.list": 5,
    "gmail.users.stop": 50,
    "gmail.users.watch": 100,
}
MINUTE = 60.0  # seconds, by which Gmail counts
