"""Model files are looked for in the user's folders."""


def test_model_files_are_also_looked_for_where_the_host_keeps_its_own_landmarker(host, monkeypatch):
    runtime = host.part("runtime.folders")
    models = host.folder / "models"
    assert list(runtime.model_folders().paths) == [models / "real3d", models / "detection"], (
        "also where the host knows no such kind, as 0.3.64"
    )
    own = {"real3d": [models / "real3d"], "detection": ["there", "elsewhere"]}
    monkeypatch.setattr(runtime.folder_paths, "get_folder_paths", own.__getitem__)
    assert [folder.name for folder in runtime.model_folders().paths] == ["real3d", "there", "elsewhere"]
    assert runtime.detection_folder().name == "there"
