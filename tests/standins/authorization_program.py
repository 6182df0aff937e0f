"""The program that `authorization_server` starts: what it changes of oidc-provider-mock. Run without assertions."""

import sys
from datetime import timedelta
from typing import Any

import flask
import oidc_provider_mock._app as mock
from authlib.integrations import flask_oauth2
from authlib.oauth2.rfc6749 import ClientCredentialsGrant, InvalidGrantError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from oidc_provider_mock._storage import AccessToken, Client, User, storage
from werkzeug.serving import make_server


def serve(seconds: int) -> None:
    challenges: dict[str, str] = {}
    used: set[str] = set()
    servers: list[Any] = []
    failing: list[int] = []
    asked: list[list[Any]] = []
    register = flask_oauth2.AuthorizationServer.register_grant

    class Strict(CodeChallenge):
        def get_authorization_code_challenge(self, code: Any) -> str:
            return challenges[code.code]

        def get_authorization_code_challenge_method(self, code: Any) -> str:
            return "S256"

    class Code(mock.AuthorizationCodeGrant):
        def save_authorization_code(self, code: str, request: Any) -> None:
            super().save_authorization_code(code, request)
            challenges[code] = request.payload.data["code_challenge"]

    class Refresh(mock.RefreshTokenGrant):
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> Any:
            if refresh_token in used:
                flask.g.oidc_provider_mock_storage._refresh_tokens.clear()
                raise InvalidGrantError("used twice: the consent has ended")
            used.add(refresh_token)
            return super().authenticate_refresh_token(refresh_token)

        def generate_token(self, *given: Any, **named: Any) -> Any:
            return super().generate_token(*given, **{**named, "expires_in": seconds})

    class Itself(ClientCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        def generate_token(self, *given: Any, **named: Any) -> Any:
            self.request.user = User(sub="the client itself")
            storage.store_user(self.request.user)
            scope = named.get("scope") or "openid"
            return super().generate_token(*given, **{**named, "scope": scope, "expires_in": seconds})

    class Revocation(RevocationEndpoint):
        """RFC 7009. A refresh token takes its access token with it."""

        CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        def query_token(self, token_string: str, token_type_hint: str) -> Any:
            return storage.get_refresh_token(token_string) or storage.get_access_token(token_string)

        def revoke_token(self, token: Any, request: Any) -> None:
            storage.remove_refresh_token(token.token)
            storage.remove_access_token(getattr(token, "access_token", token.token))

    def register_ours(server: Any, grant: Any, extensions: Any = None) -> None:
        servers[:] = [server]
        server.register_endpoint(Revocation)
        if grant is mock.AuthorizationCodeGrant:
            register(server, Code, [*extensions, Strict()])
        else:
            register(server, Refresh)
            register(server, Itself)

    flask_oauth2.AuthorizationServer.register_grant = register_ours
    AccessToken.check_client = lambda _token, _client: True  # the mock's do not know whose they are
    Client.GRANT_TYPES_SUPPORTED = ("authorization_code", "refresh_token", "client_credentials")
    app = mock.app(require_client_registration=True, access_token_max_age=timedelta(seconds=seconds))

    @app.after_request
    def note(answer: Any) -> Any:
        if flask.request.path == "/oauth2/token":
            asked.append([flask.request.form["grant_type"], answer.status_code])
        return answer

    @app.get("/asked")
    def tell() -> Any:
        return flask.jsonify(asked)

    @app.delete("/asked")
    def forget() -> Any:
        asked.clear()
        return "", 204

    @app.post("/oauth2/revoke")
    def revoke() -> Any:
        """With the status that a test has planned, where it has."""
        answer = ("", failing.pop(0)) if failing else servers[0].create_endpoint_response("revocation")
        asked.append(["revoke", answer[1] if isinstance(answer, tuple) else answer.status_code])
        return answer

    @app.post("/fail/<int:status>")
    def fail(status: int) -> Any:
        failing.append(status)
        return "", 204

    @app.get("/who")
    def who() -> Any:
        """The mock's own address for it answers 400 to a token that has ended (RFC 6750 §3.1 has 401)."""
        token = storage.get_access_token(flask.request.headers["Authorization"].removeprefix("Bearer "))
        return {"sub": token.user_id} if token else ({"error": "invalid_token"}, 401)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    sys.stderr.write(f"Listening on http://127.0.0.1:{server.port}\n")
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
