from django.urls import path

from console.notices import team_views, views

urlpatterns = [
    path("account/notices/", views.notices, name="notices"),
    path("account/notices/address/", views.address, name="notices_address"),
    path("account/notices/address/removal/", views.remove, name="notices_address_removal"),
    path("account/notices/test/", views.trial, name="notices_trial"),
    path("account/notices/confirm/<str:token>/", views.confirm, name="notices_confirm"),
    path("notices/", team_views.team, name="team_notices"),
    path("notices/rota/", team_views.add_to_rota, name="rota_add"),
    path("notices/rota/<str:entry>/removal/", team_views.remove_from_rota, name="rota_remove"),
    path("notices/channels/add/", team_views.add_channel, name="channel_add"),
    path("notices/channels/<str:channel>/test/", team_views.trial, name="channel_trial"),
    path("notices/channels/<str:channel>/end/", team_views.end, name="channel_end"),
    path("notices/channels/<str:channel>/key", team_views.key, name="channel_key"),
]
