from django.urls import path

from approvals import policy_views

urlpatterns = [
    path("", policy_views.policies, name="policies"),
    path("change/", policy_views.change_policy, name="policy_change"),
    path("trial/", policy_views.policy_trial, name="policy_trial"),
    path("trial/end/", policy_views.drop_trial, name="policy_trial_end"),
    path("<int:number>/", policy_views.policy_version, name="policy_version"),
]
