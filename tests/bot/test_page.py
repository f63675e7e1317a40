"""`/page`: a way from Discord to the page in the browser."""

from __future__ import annotations

from typing import Any

import pytest

from musrec.members.model import Role
from musrec.model import NotFound
from tests.support.world import World, parts, said

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = "https://music.example.org"


def link_of(result: Any) -> str:
    """Return where the one button leads."""
    (link,) = [part["url"] for part in parts(result.response) if part.get("url")]
    return str(link)


@pytest.mark.discord_settings(web={"enabled": True, "base_url": PAGE})
async def test_a_member_gets_a_link_that_signs_them_alone_in_once(world: World) -> None:
    shown = await world.alice.slash(world.channel, "page")
    assert shown.ephemeral
    link = link_of(shown)
    assert link.startswith(f"{PAGE}/enter/")
    visits = world.service.visits
    session = await visits.follow(link.rpartition("/")[2])
    visit = await visits.current(session)
    assert visit
    assert visit.member == str(world.alice.id)
    assert visit.role is Role.MEMBER
    with pytest.raises(NotFound, match="has been used"):
        await visits.follow(link.rpartition("/")[2])
    again = await world.alice.slash(world.channel, "page")
    assert link_of(again) != link


@pytest.mark.discord_settings(web={"enabled": True, "base_url": PAGE})
async def test_whoever_owns_the_bot_comes_in_as_the_owner(world: World) -> None:
    world.bot.owner_id = world.bob.id
    shown = await world.bob.slash(world.channel, "page")
    visits = world.service.visits
    visit = await visits.current(await visits.follow(link_of(shown).rpartition("/")[2]))
    assert visit
    assert visit.owner


@pytest.mark.discord_settings(web={"enabled": True, "port": 8765})
async def test_a_page_on_this_machine_alone_is_said_to_be_that(world: World) -> None:
    shown = await world.alice.slash(world.channel, "page")
    assert link_of(shown).startswith("http://127.0.0.1:8765/enter/")
    assert "and nowhere else" in said(shown.response)


async def test_without_a_page_there_is_no_such_command(world: World) -> None:
    assert world.bot.tree.get_command("page") is None
