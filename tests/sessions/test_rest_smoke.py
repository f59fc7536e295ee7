def test_a_game_is_created_started_and_switched(api, other_api, game):
    created = api.post("/v1/sessions", json=game).json()["data"]
    assert created["status"] == "pending"
    address = f"/v1/sessions/{created['session_id']}"
    assert other_api.post(f"{address}/start").json()["data"]["status"] == "running"
    assert api.post(f"{address}/switch").json()["data"]["version"] == 3
