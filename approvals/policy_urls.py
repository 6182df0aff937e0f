from django.urls import path

from approvals import policy_views

urlpatterns = [
    path("", policy_views.policies, name="policies"),
    path("change/", policy_views.change_policy, name="policy_change"),
    path("<int:number>/", policy_views.policy_version, name="policy_version"),
]
