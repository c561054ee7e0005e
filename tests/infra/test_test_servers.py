"""The servers that tests are given: they must be real, separate and empty."""

from crm.database import Database


def test_a_database_is_migrated_and_empty(database: Database):
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM account").scalar() == 0


def test_redis_is_emptied_between_tests(redis):
    assert redis.dbsize() == 0
    redis.set("left", "behind")


def test_redis_is_emptied_between_tests_again(redis):
    assert redis.dbsize() == 0
    redis.set("left", "behind")
