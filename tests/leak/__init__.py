"""The leak gate: runs with known secrets, watched and searched for every place where one comes to light."""
