#include "services/texts.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/cleanup.h"
#include "services/utf8.h"

/* A form with a {} is the one for a detail; `plain` is said when there is none (NULL: the line never has one). */
struct words { const char *plain, *about; };

/* The helps, with or without the line of /model, which is not everywhere. */
#define HELP_RU(model) \
    "Пришлите вопрос: текст, голос, фото или файл. Я помню, о чём мы говорили.\n\n" \
    "/img — нарисовать картинку\n" \
    "/reset или /new — забыть разговор\n" \
    "/cancel или /stop — остановить ответ\n" \
    "/retry — ответить заново\n" \
    "/files, /library — ваши файлы\n" \
    "/start, /help — подсказка\n" model \
    "/stats — расходы\n" \
    "/forget — удалить всё обо мне"
#define HELP_EN(model) \
    "Send me a question: text, voice, a photo or a file. I remember what we talked about.\n\n" \
    "/img — draw a picture\n" \
    "/reset or /new — forget the dialogue\n" \
    "/cancel or /stop — stop the answer\n" \
    "/retry — answer again\n" \
    "/files, /library — your files\n" \
    "/start, /help — help\n" model \
    "/stats — spending\n" \
    "/forget — delete my data"
#define HELP_ADMIN_RU(model) \
    "Пришлите текст, голос, фото или файл.\n\n" \
    "/img — картинка\n" \
    "/reset, /new — забыть\n" \
    "/cancel, /stop — остановить\n" \
    "/retry — заново\n" \
    "/files, /library — файлы\n" \
    "/start — кнопки\n" \
    "/help — подсказка\n" \
    "/stats, /stat, /export — расходы\n" \
    "/user — люди, /broadcast — всем\n" \
    "/forget — забыть меня\n" model \
    "/models, /setmodel, /pricing — модели\n" \
    "/status, /limits, /dead — состояние"
#define HELP_ADMIN_EN(model) \
    "Send text, voice, a photo or a file.\n\n" \
    "/img — a picture\n" \
    "/reset, /new — anew\n" \
    "/cancel, /stop — stop\n" \
    "/retry — answer again\n" \
    "/files, /library — files\n" \
    "/start — buttons\n" \
    "/help — help\n" \
    "/stats, /stat, /export — spending\n" \
    "/user — people, /broadcast — to all\n" \
    "/forget — forget me\n" model \
    "/models, /setmodel, /pricing — models\n" \
    "/status, /limits, /dead — the state"

static const struct text {
    const char *name;
    struct words in[TEXTS_LANGS];
} table[] = {
    /* while an answer is being made, and at its end */
    {"thinking", {{"Думаю…", NULL}, {"Thinking…", NULL}}},
    {"drawing", {{"Рисую…", NULL}, {"Drawing…", NULL}}},
    {"downloading", {{"Загружаю файл…", NULL}, {"Fetching the file…", NULL}}},
    {"transcribing", {{"Слушаю…", NULL}, {"Listening…", NULL}}},
    {"uploading", {{"Смотрю, что внутри…", NULL}, {"Looking inside…", NULL}}},
    {"searching", {{"Ищу в интернете…", NULL}, {"Searching the web…", NULL}}},
    {"reading", {{"Ищу в ваших файлах…", NULL}, {"Searching your files…", NULL}}},
    {"sources", {{"Источники:", NULL}, {"Sources:", NULL}}},
    {"computing", {{"Считаю…", NULL}, {"Computing…", NULL}}},
    {"stopped", {{"⏹ Остановлено.", NULL}, {"⏹ Stopped.", NULL}}},
    {"unknown", {{"Не получилось ответить. Попробуйте ещё раз.", NULL}, {"That did not work. Please try again.", NULL}}},

    /* llm: why there is no answer, or no whole one */
    {"budget_day",
     {{"Ваш бюджет на сегодня исчерпан. Завтра можно будет спрашивать снова.", NULL},
      {"Your budget for today is used up. You can ask again tomorrow.", NULL}}},
    {"budget_month",
     {{"Ваш бюджет на этот месяц исчерпан. Спрашивать можно будет в следующем месяце.", NULL},
      {"Your budget for this month is used up. You can ask again next month.", NULL}}},
    {"budget_all",
     {{"Общий бюджет на этот месяц исчерпан. Обратитесь к администратору.", NULL},
      {"The shared budget for this month is used up. Please talk to the administrator.", NULL}}},
    {"budget_day_near",
     {{"Израсходовано больше 80 % вашего бюджета на сегодня.", NULL}, {"More than 80 % of your budget for today is used.", NULL}}},
    {"budget_month_near",
     {{"Израсходовано больше 80 % вашего бюджета на этот месяц.", NULL}, {"More than 80 % of your budget for this month is used.", NULL}}},
    {"failed",
     {{"Не получилось ответить: сервис модели не отвечает. Попробуйте позже.", NULL},
      {"I could not answer: the model's service does not respond. Please try again later.", NULL}}},
    {"quota",
     {{"Сервис модели сейчас недоступен. Администратор уже знает об этом.", NULL},
      {"The model's service is not available now. The administrator has been told.", NULL}}},
    {"key",
     {{"Сервис модели сейчас недоступен. Администратор уже знает об этом.", NULL},
      {"The model's service is not available now. The administrator has been told.", NULL}}},
    {"refusal", {{"Модель отказалась отвечать.", "Модель отказалась отвечать: {}"},
                 {"The model declined to answer.", "The model declined to answer: {}"}}},
    {"incomplete_length",
     {{"✂️ Ответ оборван: достигнута наибольшая длина.", NULL}, {"✂️ The answer was cut: it reached its greatest length.", NULL}}},
    {"incomplete_filter",
     {{"✂️ Ответ оборван фильтром содержания.", NULL}, {"✂️ The answer was cut by the content filter.", NULL}}},
    {"empty",
     {{"Модель ничего не ответила. Попробуйте спросить иначе.", NULL},
      {"The model said nothing. Please try to ask in another way.", NULL}}},
    {"too_long",
     {{"Вопрос слишком длинный. Сократите его или начните новый диалог: /reset", NULL},
      {"The question is too long. Make it shorter or begin a new dialogue: /reset", NULL}}},
    {"file_expired",
     {{"Файла, о котором шла речь, больше нет у сервиса модели. Пришлите его ещё раз; разговор я помню.", NULL},
      {"The model's service no longer has the file in question. Please send it again; I remember the dialogue.", NULL}}},
    {"rejected",
     {{"Сервис модели не принял этот вопрос. Попробуйте спросить иначе.", NULL},
      {"The model's service did not accept this question. Please try to ask in another way.", NULL}}},
    {"button_stop", {{"⏹", NULL}, {"⏹", NULL}}},
    {"button_empty", {{"🗑 всё", NULL}, {"🗑 all", NULL}}},
    {"button_drop", {{"🗑", NULL}, {"🗑", NULL}}},
    {"button_retry", {{"🔄 Ещё раз", NULL}, {"🔄 Try again", NULL}}},
    {"button_forget", {{"🗑 Удалить всё", NULL}, {"🗑 Delete everything", NULL}}},
    {"button_user", {{"✅ Впустить", NULL}, {"✅ Let in", NULL}}},
    {"button_guest", {{"👤 Гостем", NULL}, {"👤 As a guest", NULL}}},
    {"button_block", {{"🚫 Закрыть", NULL}, {"🚫 Block", NULL}}},
    {"button_day_less", {{"$0.50 в день", NULL}, {"$0.50 a day", NULL}}},
    {"button_day_more", {{"$5 в день", NULL}, {"$5 a day", NULL}}},
    {"button_day_none", {{"Общий лимит", NULL}, {"General limit", NULL}}},
    {"button_send", {{"📣 Отправить", "📣 Отправить: {}"}, {"📣 Send", "📣 Send to {}"}}},
    {"button_not", {{"✖️ Не отправлять", NULL}, {"✖️ Don't send", NULL}}},
    {"button_halt", {{"⏹ Остановить", NULL}, {"⏹ Stop", NULL}}},
    {"button_again", {{"🔁 Ещё раз", NULL}, {"🔁 Again", NULL}}},
    {"button_sizes", {{"📐 Размер", NULL}, {"📐 Size", NULL}}},
    {"button_file", {{"📄 Файлом", NULL}, {"📄 As a file", NULL}}},
    {"button_square", {{"⬜ Квадрат", NULL}, {"⬜ Square", NULL}}},
    {"button_tall", {{"📱 Высокая", NULL}, {"📱 Tall", NULL}}},
    {"button_wide", {{"🖥 Широкая", NULL}, {"🖥 Wide", NULL}}},
    {"late", {{"Извините, что так поздно: раньше ответить не получилось.", NULL},
              {"Sorry for being late: it was not possible to answer earlier.", NULL}}},

    /* ingest: what is said at once */
    {"start",
     {{"Здравствуйте! Спросите о чём угодно — я отвечу. Что я ещё умею: /help", NULL},
      {"Hello! Ask me anything and I will answer. What else I can do: /help", NULL}}},
    {"help", {{HELP_RU(""), NULL}, {HELP_EN(""), NULL}}},
    {"help_model", {{HELP_RU("/model — ваша модель\n"), NULL}, {HELP_EN("/model — your model\n"), NULL}}},
    {"help_admin", {{HELP_ADMIN_RU(""), NULL}, {HELP_ADMIN_EN(""), NULL}}},
    {"help_admin_model", {{HELP_ADMIN_RU("/model — моя модель\n"), NULL}, {HELP_ADMIN_EN("/model — my model\n"), NULL}}},
    {"help_group",
     {{"В группе я отвечаю, если упомянуть меня через @ или ответить на моё сообщение: текст, голос, фото или файл.\n\n"
       "/img — картинка\n"
       "/reset или /new — забыть разговор\n"
       "/cancel или /stop — остановить ответ\n"
       "/retry — ответить заново\n"
       "/files — файлы разговора\n"
       "/start, /help — подсказка\n"
       "/stats — расходы",
       NULL},
      {"In a group I answer what mentions me with @ or replies to me: text, voice, a photo or a file.\n\n"
       "/img — a picture\n"
       "/reset or /new — forget the dialogue\n"
       "/cancel or /stop — stop the answer\n"
       "/retry — answer again\n"
       "/files — files of the dialogue\n"
       "/start, /help — help\n"
       "/stats — spending",
       NULL}}},
    {"answer_whole", {{"Ответ длинный, дальше — в файле: здесь он целиком.", NULL}, {"The answer is long. This file has all of it.", NULL}}},
    {"ask_prompt", {{"Что нарисовать? Опишите картинку словами.", NULL}, {"What shall I draw? Describe the picture in words.", NULL}}},
    {"ask_size", {{"Какого размера нарисовать?", NULL}, {"Which size shall it have?", NULL}}},
    {"ask_over", {{"Этот вопрос уже закрыт. Новая картинка: /img", NULL}, {"This question is closed. A new picture: /img", NULL}}},
    {"drawing_already", {{"Уже рисую.", NULL}, {"I am drawing it already.", NULL}}},
    {"picture_old", {{"Эту картинку я уже не помню. Новая: /img", NULL}, {"I do not remember this picture any more. A new one: /img", NULL}}},
    {"picture_gone", {{"Этой картинки у меня уже нет. Нарисовать новую: /img", NULL}, {"I do not have this picture any more. Draw a new one: /img", NULL}}},
    {"unknown_command", {{"Я не знаю такой команды. Что я умею: /help", NULL}, {"I do not know this command. What I can do: /help", NULL}}},
    {"unsupported",
     {{"Такие сообщения я не понимаю. Подойдут текст, голос, фото, видео и файлы.", NULL},
      {"I do not understand messages of this kind. Text, voice, photos, videos and files work.", NULL}}},
    {"group_not_allowed",
     {{"В этой группе я не отвечаю: попросите администратора бота её добавить.",
       "В этой группе я не отвечаю: попросите администратора бота её добавить. Её id: {}"},
      {"I do not answer in this group: ask the bot's administrator to add it.",
       "I do not answer in this group: ask the bot's administrator to add it. Its id: {}"}}},
    {"not_allowed",
     {{"Этот бот закрытый. Попросите администратора дать вам доступ.", "Этот бот закрытый. Попросите администратора дать вам доступ. Ваш id: {}"},
      {"This is a private bot. Ask its administrator for access.", "This is a private bot. Ask its administrator for access. Your id: {}"}}},
    {"access_asked",
     {{"Этот бот закрытый. Я спросил администратора о вас; когда он ответит, я напишу.", NULL},
      {"This is a private bot. I have asked its administrator about you and will write when there is an answer.", NULL}}},
    {"access_waits",
     {{"Администратор ещё не ответил. Подождите, пожалуйста.", NULL}, {"The administrator has not answered yet. Please wait.", NULL}}},
    {"access_wanted",
     {{"С ботом хочет говорить незнакомец.", "С ботом хочет говорить {}"}, {"A stranger wants to talk to the bot.", "Somebody wants to talk to the bot: {}"}}},
    {"access_given", {{"Администратор открыл вам доступ. Спрашивайте!", NULL}, {"The administrator has let you in. Ask me anything!", NULL}}},
    {"granted_user", {{"✅ Доступ открыт.", "✅ Доступ открыт: {}"}, {"✅ May talk now.", "✅ May talk now: {}"}}},
    {"granted_guest", {{"👤 Доступ открыт как гостю.", "👤 Доступ открыт как гостю: {}"}, {"👤 May talk now, as a guest.", "👤 May talk now, as a guest: {}"}}},
    {"granted_blocked", {{"🚫 Доступ закрыт.", "🚫 Доступ закрыт: {}"}, {"🚫 Blocked.", "🚫 Blocked: {}"}}},
    {"granted_none", {{"Роли больше нет.", "Роли больше нет: {}"}, {"Has no role any more.", "Has no role any more: {}"}}},
    {"user_set", {{"Сделано.", "Сделано: {}"}, {"Done.", "Done: {}"}}},
    {"user_how",
     {{"/user — список\n/user 5001 — карточка\n/user 5001 day 0.50\n/user 5001 month 5\n/user 5001 role guest\n/user guest day 0.10\n"
       "Роли: user, guest, blocked, none. Лимит none — без своего лимита. Вместо id можно ответить на пересланное сообщение.",
       NULL},
      {"/user — a list\n/user 5001 — a card\n/user 5001 day 0.50\n/user 5001 month 5\n/user 5001 role guest\n/user guest day 0.10\n"
       "Roles: user, guest, blocked, none. A limit none: no own limit. Instead of an id, reply to a forwarded message.",
       NULL}}},
    {"too_fast",
     {{"Слишком часто. Подождите минуту и пришлите ещё раз: это я не прочёл.",
       "Слишком часто: не больше {} вопросов в минуту. Подождите и пришлите ещё раз: это я не прочёл."},
      {"Too many questions. Please wait a minute and send it again: I did not read this one.",
       "Too many questions: no more than {} a minute. Please wait and send it again: I did not read this one."}}},
    {"lane_full",
     {{"Слишком много вопросов ждут ответа. Дождитесь ответов и пришлите этот вопрос ещё раз.", NULL},
      {"Too many questions are waiting. Please wait for the answers and send this one again.", NULL}}},
    {"edit_old",
     {{"По правке я отвечаю только на последний вопрос, если он был в одном сообщении. Пришлите исправленный вопрос заново.", NULL},
      {"I answer an edit only of the last question, when it was one message. Please send the corrected question anew.", NULL}}},
    {"edit_command",
     {{"Команды в исправленных сообщениях я не выполняю. Пришлите её новым сообщением.", NULL},
      {"I do not carry out commands in edited messages. Please send it as a new message.", NULL}}},
    {"retry_busy", {{"Я ещё отвечаю. Остановить: /cancel", NULL}, {"I am still answering. To stop: /cancel", NULL}}},
    {"nothing_to_retry", {{"Повторять нечего: задайте вопрос.", NULL}, {"There is nothing to answer again: ask a question.", NULL}}},
    {"not_yours", {{"Это может только тот, кто спрашивал.", NULL}, {"Only whoever asked can do that.", NULL}}},
    {"files", {{"Файлы этого разговора.", "Файлы этого разговора ({}). Удалить — кнопкой с номером."},
               {"The files of this dialogue.", "The files of this dialogue ({}). To delete one, press its number."}}},
    {"no_files", {{"Файлов в этом разговоре нет.", NULL}, {"There are no files in this dialogue.", NULL}}},
    {"library",
     {{"Ваша библиотека: ответы здесь могут на неё опираться.", "Ваша библиотека ({}): ответы здесь могут на неё опираться. Убрать — кнопкой с номером."},
      {"Your library: answers here may draw on it.", "Your library ({}): answers here may draw on it. To remove one, press its number."}}},
    {"no_library",
     {{"Библиотека пуста. Пришлите документ с подписью /library или ответьте так на него.", NULL},
      {"The library is empty. Send a document with the caption /library, or answer one like that.", NULL}}},
    {"library_added", {{"Добавлено в библиотеку.", "Добавлено в библиотеку: {}"}, {"Added to the library.", "Added to the library: {}"}}},
    {"library_emptied", {{"Библиотека пуста.", NULL}, {"The library is empty now.", NULL}}},
    {"library_full", {{"В библиотеке больше нет места: уберите что-нибудь, /library.", NULL}, {"The library is full: remove something, /library.", NULL}}},
    {"library_kind",
     {{"В библиотеку можно положить документ: PDF, Word, текст, код.", NULL}, {"A library takes documents: PDF, Word, text, code.", NULL}}},
    {"library_unreadable",
     {{"Этот документ не удалось прочесть для библиотеки. Подойдут PDF с текстом, DOCX, TXT, MD, HTML, код.", NULL},
      {"This document could not be read for the library. PDF with text, DOCX, TXT, MD, HTML and code work.", NULL}}},
    {"file_line_kb", {{"КБ", "{} КБ"}, {"kB", "{} kB"}}},
    {"file_line_mb", {{"МБ", "{} МБ"}, {"MB", "{} MB"}}},
    {"ago_minutes", {{"только что", "{} мин. назад"}, {"just now", "{} min ago"}}},
    {"ago_hours", {{"только что", "{} ч. назад"}, {"just now", "{} h ago"}}},
    {"ago_days", {{"сегодня", "{} дн. назад"}, {"today", "{} d ago"}}},
    {"file_dropped", {{"Удалено.", "Удалено: {}"}, {"Deleted.", "Deleted: {}"}}},
    {"file_not_had", {{"Один из файлов получить не удалось.", "Не удалось получить: {}"}, {"One of the files could not be had.", "Could not be had: {}"}}},
    {"file_not_there", {{"Этого файла уже нет.", NULL}, {"This file is not there any more.", NULL}}},
    {"forget_ask",
     {{"Удалить всё, что я о вас храню: этот разговор, файлы, библиотеку, имя и ваши настройки? Расходы останутся без имени. Вернуть нельзя.", NULL},
      {"Delete all that I keep of you: this dialogue, files, the library, your name and settings? What was spent stays without a name. This cannot be undone.",
       NULL}}},
    {"forget_done", {{"Готово: о вас ничего не хранится.", NULL}, {"Done: nothing of yours is kept any more.", NULL}}},
    {"ask_closed", {{"Хорошо, не рисую.", NULL}, {"All right, I draw nothing.", NULL}}},
    {"nothing_to_stop", {{"Сейчас нечего останавливать.", NULL}, {"There is nothing to stop.", NULL}}},
    {"forgotten",
     {{"Забыл. Начинаем с чистого листа.", "Забыл. Начинаем с чистого листа. Отменено вопросов в очереди: {}."},
      {"Forgotten. We begin anew.", "Forgotten. We begin anew. Waiting questions dropped: {}."}}},

    /* ingest: what stands beside a command in the menus */
    {"menu_help", {{"Что я умею", NULL}, {"What I can do", NULL}}},
    {"menu_img", {{"Нарисовать картинку", NULL}, {"Draw a picture", NULL}}},
    {"menu_reset", {{"Забыть разговор и начать заново", NULL}, {"Forget the dialogue and begin anew", NULL}}},
    {"menu_cancel", {{"Остановить ответ", NULL}, {"Stop the answer", NULL}}},
    {"menu_files", {{"Файлы этого разговора", NULL}, {"The files of this dialogue", NULL}}},
    {"menu_library", {{"Моя библиотека документов", NULL}, {"My library of documents", NULL}}},
    {"menu_retry", {{"Ответить на последний вопрос заново", NULL}, {"Answer the last question again", NULL}}},
    {"menu_forget", {{"Удалить всё обо мне", NULL}, {"Delete all about me", NULL}}},
    {"menu_model", {{"Какая модель вам отвечает", NULL}, {"The model that answers you", NULL}}},
    {"menu_stats", {{"Мои расходы", NULL}, {"My spending", NULL}}},
    {"menu_stat", {{"Расходы всех", NULL}, {"Everybody's spending", NULL}}},
    {"menu_user", {{"Пользователи: роли и лимиты", NULL}, {"Users: roles and limits", NULL}}},
    {"menu_export", {{"Расходы за месяц таблицей", NULL}, {"A month's spending as a table", NULL}}},
    {"menu_broadcast", {{"Сообщение всем", NULL}, {"A message to everybody", NULL}}},
    {"menu_models", {{"Какие есть модели", NULL}, {"The models there are", NULL}}},
    {"menu_setmodel", {{"Сменить модель", NULL}, {"Switch the model", NULL}}},

    /* media: why a file is of no use, and what would be */
    {"file_too_big", {{"Файл слишком большой.", "Файл слишком большой: можно до {} МБ. Сожмите его или пришлите частями."},
                      {"The file is too large.", "The file is too large: up to {} MB is possible. Make it smaller or send it in parts."}}},
    {"file_empty", {{"Файл пустой. Проверьте его и пришлите ещё раз.", NULL}, {"The file is empty. Please check it and send it again.", NULL}}},
    {"file_broken", {{"Файл повреждён, или внутри не то, что обещает его название. Проверьте его и пришлите ещё раз.", NULL},
                     {"The file is damaged, or is not what its name says. Please check it and send it again.", NULL}}},
    {"file_gone", {{"Telegram не отдаёт этот файл. Пришлите его ещё раз.", NULL}, {"Telegram does not hand over this file. Please send it again.", NULL}}},
    {"file_type",
     {{"Такие файлы я не понимаю. Подойдут: PDF, документы Word, PowerPoint и Excel, текст в UTF-8, картинки PNG, JPEG, WebP и GIF, аудио и видео.", NULL},
      {"I cannot use this type of file. What works: PDF, Word, PowerPoint and Excel documents, UTF-8 text, PNG, JPEG, WebP and GIF pictures, audio and video.",
       NULL}}},
    {"pdf_encrypted", {{"Этот PDF защищён паролем. Пришлите его без пароля.", NULL}, {"This PDF is protected by a password. Please send it without one.", NULL}}},
    {"doc_encrypted", {{"Этот документ защищён паролем. Пришлите его без пароля.", NULL},
                       {"This document is protected by a password. Please send it without one.", NULL}}},
    {"pdf_broken", {{"Этот PDF повреждён. Сохраните его заново и пришлите ещё раз.", NULL},
                    {"This PDF is damaged. Please save it anew and send it again.", NULL}}},
    {"archive", {{"Архивы я не открываю. Пришлите файлы из него по одному.", NULL}, {"I do not open archives. Please send the files in it one by one.", NULL}}},
    {"video_silent", {{"В этом видео нет звука, а картинку из видео я не разбираю. Пришлите кадр как фото.", NULL},
                      {"This video has no sound, and I do not look at films. Please send a frame of it as a photo.", NULL}}},
    {"no_words", {{"Не расслышал ни слова. Скажите ещё раз, погромче, или напишите.", NULL},
                  {"I heard no words. Please say it again, a little louder, or write it.", NULL}}},
    {"sticker_animated", {{"Движущиеся стикеры я не вижу. Пришлите обычный стикер или фото.", NULL},
                          {"I cannot see moving stickers. Please send a still one or a photo.", NULL}}},
    {"gif_animated", {{"Движущиеся картинки я не вижу. Пришлите кадр как фото.", NULL}, {"I cannot see moving pictures. Please send a frame as a photo.", NULL}}},
    {"no_ffmpeg", {{"Такое аудио или видео здесь не читается. Подойдут: OGG, MP3, M4A, WAV, FLAC, MP4, WebM.", NULL},
                   {"This kind of audio or video cannot be read here. What works: OGG, MP3, M4A, WAV, FLAC, MP4, WebM.", NULL}}},
    /* media: pictures */
    {"image_refused", {{"Модель отказалась это рисовать: так решила её система безопасности. Опишите картинку иначе.", NULL},
                       {"The model declined to draw this: its safety system said no. Please describe the picture in another way.", NULL}}},
    {"prompt_too_long", {{"Описание слишком длинное. Сократите его и пришлите ещё раз.", NULL},
                         {"The description is too long. Please make it shorter and send it again.", NULL}}},
    {"edit_no_picture", {{"Изменить можно только картинку: PNG, JPEG, WebP или неподвижный GIF.", NULL},
                         {"Only a picture can be changed: PNG, JPEG, WebP or a still GIF.", NULL}}},
    {"picture_refused", {{"Картинка готова, но Telegram её здесь не принимает.", NULL}, {"The picture is ready, but Telegram does not take it here.", NULL}}},

    /* media: what an answer about a file begins with, and what is asked about one that came without a word */
    {"said", {{"Вы сказали", NULL}, {"You said", NULL}}},
    {"doc_pdf", {{"Анализ PDF: ", NULL}, {"Analysis of the PDF: ", NULL}}},
    {"doc_word", {{"Анализ документа: ", NULL}, {"Analysis of the document: ", NULL}}},
    {"doc_slides", {{"Анализ презентации: ", NULL}, {"Analysis of the slides: ", NULL}}},
    {"doc_table", {{"Анализ таблицы: ", NULL}, {"Analysis of the table: ", NULL}}},
    {"doc_text", {{"Анализ текста: ", NULL}, {"Analysis of the text: ", NULL}}},
    {"doc_code", {{"Анализ файла: ", NULL}, {"Analysis of the file: ", NULL}}},
    {"ask_image", {{"Опиши, что на этой картинке.", NULL}, {"Describe what is in this picture.", NULL}}},
    {"ask_images", {{"Опиши, что на этих картинках.", NULL}, {"Describe what is in these pictures.", NULL}}},
    {"ask_document", {{"Расскажи коротко, что в этом файле.", NULL}, {"Tell me briefly what is in this file.", NULL}}},
    {"ask_files", {{"Расскажи коротко, что в этих файлах.", NULL}, {"Tell me briefly what is in these files.", NULL}}},

    /* ledger: what was spent */
    {"ledger_failed", {{"Не получилось посчитать. Попробуйте позже.", NULL}, {"That could not be counted. Please try again later.", NULL}}},
    {"stats_title", {{"📊 Ваши расходы", NULL}, {"📊 Your spending", NULL}}},
    {"stat_title", {{"📊 Расходы всех", NULL}, {"📊 Everybody's spending", NULL}}},
    {"user_list", {{"👥 Кого я знаю, новые первыми:", NULL}, {"👥 Whom I know, the newest first:", NULL}}},
    {"user_none", {{"Пока никого.", NULL}, {"Nobody yet.", NULL}}},
    {"user_role", {{"Роль: по настройкам", "Роль: {}"}, {"Role: by the settings", "Role: {}"}}},
    {"user_day", {{"Лимит на день: общий", "Свой лимит на день: {}"}, {"Limit per day: the general one", "Own limit per day: {}"}}},
    {"user_month", {{"Лимит на месяц: общий", "Свой лимит на месяц: {}"}, {"Limit per month: the general one", "Own limit per month: {}"}}},
    {"user_model", {{"Модель: общая", "Своя модель: {}"}, {"Model: the general one", "Own model: {}"}}},
    {"user_model_idle",
     {{"Модель: общая", "Модель: общая (выбрана {}, но не разрешена)"}, {"Model: the general one", "Model: the general one ({} was chosen, but is not permitted)"}}},
    {"stats_today", {{"Сегодня", "Сегодня: {}"}, {"Today", "Today: {}"}}},
    {"stat_week", {{"7 дней", "7 дней: {}"}, {"7 days", "7 days: {}"}}},
    {"stats_month", {{"Этот месяц", "Этот месяц: {}"}, {"This month", "This month: {}"}}},
    {"stats_ever", {{"Всё время", "Всё время: {}"}, {"All time", "All time: {}"}}},
    {"stats_kinds", {{"Из них за месяц:", NULL}, {"This month by kind:", NULL}}},
    {"stats_kinds_ever", {{"По видам:", NULL}, {"By kind:", NULL}}},
    {"stats_models", {{"По моделям:", NULL}, {"By model:", NULL}}},
    {"stats_left_day", {{"Осталось на сегодня", "Осталось на сегодня: {}"}, {"Left for today", "Left for today: {}"}}},
    {"stats_left_month", {{"Осталось на месяц", "Осталось на месяц: {}"}, {"Left for this month", "Left for this month: {}"}}},
    {"stat_top", {{"Больше всех за месяц:", NULL}, {"Most this month:", NULL}}},
    {"stat_failed", {{"Неудачных вызовов сегодня нет", "Неудачных вызовов сегодня: {}"}, {"No failed calls today", "Failed calls today: {}"}}},
    {"stat_dead", {{"Брошенных заданий нет", "Брошенных заданий: {}"}, {"Nothing was given up", "Given up: {}"}}},
    {"stat_queues", {{"Очереди", "Очереди: {}"}, {"Queues", "Queues: {}"}}},
    {"answer_cost", {{"≈ $0", "≈ {}"}, {"≈ $0", "≈ {}"}}},
    {"export_done", {{"Расходы по вызовам", "Расходы по вызовам: {}"}, {"Spending call by call", "Spending call by call: {}"}}},
    {"export_cut", {{"Файл получился слишком большим: в нём начало месяца.", NULL}, {"The file grew too large: it has the beginning of the month.", NULL}}},
    {"export_none", {{"Расходов в этом месяце нет.", "Расходов нет: {}"}, {"Nothing was spent in that month.", "Nothing was spent: {}"}}},
    {"export_month", {{"Какой месяц? Например: /export 2026-11", NULL}, {"Which month? For example: /export 2026-11", NULL}}},
    {"chart_title", {{"Ваши расходы за 30 дней", NULL}, {"Your spending in 30 days", NULL}}},
    {"chart_title_all", {{"Расходы всех за 30 дней", NULL}, {"Everybody's spending in 30 days", NULL}}},
    {"chart_empty", {{"За это время расходов не было", NULL}, {"Nothing was spent in this time", NULL}}},
    {"paid_chat", {{"Ответы", NULL}, {"Answers", NULL}}},
    {"paid_image", {{"Картинки", NULL}, {"Pictures", NULL}}},
    {"paid_transcription", {{"Распознавание речи", NULL}, {"Speech to text", NULL}}},
    {"paid_correction", {{"Поправки", NULL}, {"Corrections", NULL}}},
    {"paid_other", {{"Прочее", NULL}, {"Other", NULL}}},

    /* alerts: to administrators */
    {"alert_budget",
     {{"⚠️ Израсходовано больше 80 % общего бюджета на этот месяц.", NULL},
      {"⚠️ More than 80 % of the shared budget for this month is used.", NULL}}},
    {"alert_quota",
     {{"⚠️ OpenAI: закончились средства или лимит. Ответов не будет, пока счёт не пополнен.", NULL},
      {"⚠️ OpenAI: out of credit or over the limit. There will be no answers until that is settled.", NULL}}},
    {"alert_key",
     {{"⚠️ OpenAI не принимает ключ: проверьте OPENAI_API_KEY.", NULL},
      {"⚠️ OpenAI refuses the key: check OPENAI_API_KEY.", NULL}}},
    {"alert_model",
     {{"⚠️ У OpenAI нет такой модели: проверьте OPENAI_MODEL.", NULL},
      {"⚠️ OpenAI does not have this model: check OPENAI_MODEL.", NULL}}},
    {"alert_model_audio",
     {{"⚠️ OpenAI не знает модель для распознавания речи: проверьте OPENAI_TRANSCRIBE_MODEL.", NULL},
      {"⚠️ OpenAI does not have the model for speech: check OPENAI_TRANSCRIBE_MODEL.", NULL}}},
    {"alert_model_image",
     {{"⚠️ OpenAI не знает модель для картинок: проверьте OPENAI_IMAGE_MODEL.", NULL},
      {"⚠️ OpenAI does not have the model for pictures: check OPENAI_IMAGE_MODEL.", NULL}}},
    {"alert_dead",
     {{"⚠️ Вопрос остался без ответа.", "⚠️ Вопрос остался без ответа ({})."},
      {"⚠️ A question was given up.", "⚠️ A question was given up ({})."}}},
    {"alert_poll_conflict",
     {{"⚠️ Кто-то ещё получает сообщения этого бота: второй экземпляр или webhook.",
       "⚠️ Кто-то ещё получает сообщения этого бота: второй экземпляр или webhook. {}"},
      {"⚠️ Somebody else fetches this bot's messages: a second instance or a webhook.",
       "⚠️ Somebody else fetches this bot's messages: a second instance or a webhook. {}"}}},
    {"alert_poll_silent",
     {{"⚠️ Telegram молчит: соединение дважды подряд обрывалось без слова. Проверьте сеть или прокси.", NULL},
      {"⚠️ Telegram is silent: the connection died without a word twice in a row. Check the network or the proxy.", NULL}}},
    {"alert_webhook",
     {{"⚠️ Telegram не принимает webhook: проверьте WEBHOOK_URL.", "⚠️ Telegram не принимает webhook: проверьте WEBHOOK_URL. {}"},
      {"⚠️ Telegram does not take the webhook: check WEBHOOK_URL.", "⚠️ Telegram does not take the webhook: check WEBHOOK_URL. {}"}}},
    {"alert_webhook_failing",
     {{"⚠️ Telegram не может доставить сообщения на webhook.", "⚠️ Telegram не может доставить сообщения на webhook: {}"},
      {"⚠️ Telegram cannot deliver to the webhook.", "⚠️ Telegram cannot deliver to the webhook: {}"}}},
    {"alert_telegram_token",
     {{"⚠️ Telegram не принимает токен: проверьте BOT_TOKEN.", "⚠️ Telegram не принимает токен: проверьте BOT_TOKEN. {}"},
      {"⚠️ Telegram refuses the token: check BOT_TOKEN.", "⚠️ Telegram refuses the token: check BOT_TOKEN. {}"}}},
    {"alert_unfit",
     {{"⚠️ Redis настроен неподходяще, работа остановлена.", "⚠️ Redis настроен неподходяще, работа остановлена: {}"},
      {"⚠️ This Redis is not fit, work has stopped.", "⚠️ This Redis is not fit, work has stopped: {}"}}},
    {"alert_mute",
     {{"⚠️ В одной из групп боту нельзя писать: дайте ему это право или уберите его оттуда.",
       "⚠️ В группе {} боту нельзя писать: дайте ему это право или уберите его оттуда."},
      {"⚠️ In one of the groups the bot may not write: allow it, or remove the bot.",
       "⚠️ In the group {} the bot may not write: allow it, or remove the bot."}}},
    {"alert_prices",
     {{"⚠️ Новый файл цен не годится, действуют прежние цены.", "⚠️ Новый файл цен не годится, действуют прежние цены: {}"},
      {"⚠️ The new prices file is no good, the old prices stay in force.", "⚠️ The new prices file is no good, the old prices stay in force: {}"}}},
    {"alert_unpriced",
     {{"⚠️ У модели нет цены в файле цен: она учитывается по общим ценам из настроек.",
       "⚠️ У модели {} нет цены в файле цен: она учитывается по общим ценам из настроек."},
      {"⚠️ A model has no entry in the prices file: it is billed by the general prices of the settings.",
       "⚠️ The model {} has no entry in the prices file: it is billed by the general prices of the settings."}}},
    {"alert_shutdown",
     {{"⚠️ Модель для ответов отключат. Сменить: /setmodel", "⚠️ OpenAI отключает модель, которая отвечает: {}. Сменить: /setmodel"},
      {"⚠️ The model that answers is to be shut down. To change it: /setmodel", "⚠️ OpenAI shuts down the model that answers: {}. To change it: /setmodel"}}},
    {"alert_shutdown_image",
     {{"⚠️ Модель для картинок отключат. Сменить: /setmodel image", "⚠️ OpenAI отключает модель, которая рисует: {}. Сменить: /setmodel image"},
      {"⚠️ The model that draws is to be shut down. To change it: /setmodel image", "⚠️ OpenAI shuts down the model that draws: {}. To change it: /setmodel image"}}},
    {"alert_shutdown_voice",
     {{"⚠️ Модель для речи отключат. Сменить: /setmodel voice", "⚠️ OpenAI отключает модель, которая слушает: {}. Сменить: /setmodel voice"},
      {"⚠️ The model that hears is to be shut down. To change it: /setmodel voice", "⚠️ OpenAI shuts down the model that hears: {}. To change it: /setmodel voice"}}},
    {"alert_disk",
     {{"⚠️ Учёт расходов не может записать базу данных.", "⚠️ Учёт расходов не может записать базу данных: {}"},
      {"⚠️ The ledger cannot write its database.", "⚠️ The ledger cannot write its database: {}"}}},

    /* what administrators are told of the models */
    {"models_title",
     {{"Модели. Цены: за миллион токенов (вопрос / ответ), за минуту или за картинку. 👁 видит, 📄 читает файлы, 🛠 инструменты, 💭 рассуждает.", NULL},
      {"Models. Prices: per million tokens (in / out), per minute or per picture. 👁 sees, 📄 reads files, 🛠 has tools, 💭 reasons.", NULL}}},
    {"models_chat", {{"Ответы", NULL}, {"Answers", NULL}}},
    {"models_image", {{"Картинки", NULL}, {"Pictures", NULL}}},
    {"models_voice", {{"Распознавание речи", NULL}, {"Speech to text", NULL}}},
    {"models_until", {{"⚠️ будет отключена", "⚠️ до {}"}, {"⚠️ to be shut down", "⚠️ until {}"}}},
    {"models_shut", {{"⛔ отключена", "⛔ отключена {}"}, {"⛔ shut down", "⛔ shut down {}"}}},
    {"models_change", {{"Сменить: /setmodel", NULL}, {"To change one: /setmodel", NULL}}},
    {"models_no_list",
     {{"Списка моделей у сервиса нет: это модели из файла цен. Сменить: /setmodel", NULL},
      {"The service gives no list of models: these are the ones of the prices file. To change one: /setmodel", NULL}}},
    {"setmodel_menu", {{"Какой моделью пользоваться? Сейчас:", NULL}, {"Which model shall be used? Now it is:", NULL}}},
    {"setmodel_usage",
     {{"Так: /setmodel имя, /setmodel image имя, /setmodel voice имя; default вместо имени — как в настройках. Какие есть: /models", NULL},
      {"Like this: /setmodel name, /setmodel image name, /setmodel voice name; default as the name is the one of the settings. Those there are: /models", NULL}}},
    {"setmodel_chat", {{"Отвечает другая модель.", "Отвечает теперь {}"}, {"Another model answers.", "Answers now come from {}"}}},
    {"setmodel_image", {{"Рисует другая модель.", "Рисует теперь {}"}, {"Another model draws.", "Pictures now come from {}"}}},
    {"setmodel_voice", {{"Слушает другая модель.", "Слушает теперь {}"}, {"Another model listens.", "Speech is now heard by {}"}}},
    {"setmodel_unpriced",
     {{"Модель сменена. Её цены нет в файле цен: считаю по общим ценам настроек.", "Теперь {}. Цены этой модели нет в файле цен: считаю по общим ценам настроек."},
      {"Changed. The prices file has no entry for it: it is billed by the general prices of the settings.",
       "Now {}. The prices file has no entry for this model: it is billed by the general prices of the settings."}}},
    {"setmodel_unchecked",
     {{"Модель сменена, но проверить её не по чему.", "Теперь {}. Есть ли такая модель, проверить не удалось: сервис не даёт списка."},
      {"Changed, but nothing could be checked.", "Now {}. Whether there is such a model could not be checked: the service gives no list."}}},
    {"setmodel_unknown", {{"Такой модели нет. Какие есть: /models", "Модели {} нет. Какие есть: /models"},
                          {"There is no such model. Those there are: /models", "There is no model {}. Those there are: /models"}}},
    {"setmodel_shut", {{"Эта модель отключена.", "Модель {} отключена: её больше нет."}, {"This model has been shut down.", "The model {} has been shut down."}}},
    {"setmodel_unable",
     {{"Эта модель такого не умеет. Какие есть: /models", "Модель {} такого не умеет. Какие есть: /models"},
      {"This model cannot do that. Those there are: /models", "The model {} cannot do that. Those there are: /models"}}},
    /* what everybody is told of his own */
    {"model_menu", {{"Какая модель должна вам отвечать? Сейчас:", NULL}, {"Which model shall answer you? Now it is:", NULL}}},
    {"model_signs",
     {{"Цены: за миллион токенов (вопрос / ответ). 👁 видит, 📄 читает файлы, 🛠 инструменты, 💭 рассуждает.", NULL},
      {"Prices: per million tokens (in / out). 👁 sees, 📄 reads files, 🛠 has tools, 💭 reasons.", NULL}}},
    {"model_set", {{"Вам отвечает другая модель.", "Теперь вам отвечает {}"}, {"Another model answers you.", "You are now answered by {}"}}},
    {"model_default", {{"Вам отвечает общая модель.", "Теперь вам отвечает общая модель: {}"}, {"The bot's own model answers you.", "The bot's own model answers you now: {}"}}},
    {"model_usage", {{"Так: /model, /model имя, /model default", NULL}, {"Like this: /model, /model name, /model default", NULL}}},
    {"model_not_allowed",
     {{"Эту модель выбрать нельзя. Какие можно: /model", "Модель {} выбрать нельзя. Какие можно: /model"},
      {"This model cannot be chosen. Those that can: /model", "The model {} cannot be chosen. Those that can: /model"}}},
    {"model_unknown", {{"Такой модели нет. Какие есть: /model", "Модели {} нет. Какие есть: /model"},
                       {"There is no such model. Those there are: /model", "There is no model {}. Those there are: /model"}}},
    {"model_unable", {{"Эта модель не умеет отвечать. Какие умеют: /model", "Модель {} не умеет отвечать. Какие умеют: /model"},
                      {"This model cannot answer. Those that can: /model", "The model {} cannot answer. Those that can: /model"}}},
    {"model_refused",
     {{"Ваша модель не приняла этот вопрос: возможно, она не читает картинки или файлы. Выбрать другую: /model", NULL},
      {"Your model did not accept this question: it may not read pictures or files. To choose another one: /model", NULL}}},
    {"model_gone", {{"Модели, которую вы выбрали, больше нет. Выберите другую: /model", NULL},
                    {"The model that you have chosen no longer exists. Choose another one: /model", NULL}}},
    {"model_over", {{"Эта модель больше не отвечает. Выберите другую.", "{} больше не отвечает. Выберите другую."},
                    {"This model answers no more. Choose another one.", "{} answers no more. Choose another one."}}},
    {"model_withdrawn", {{"Модель, которую вы выбрали, больше не разрешена.", "{} вы выбирали раньше, но теперь эта модель не разрешена."},
                         {"The model that you had chosen is not permitted any more.", "You had chosen {}, which is not permitted any more."}}},
    {"model_off", {{"Выбирать модель здесь нельзя.", NULL}, {"The model cannot be chosen here.", NULL}}},
    {"model_off_admin",
     {{"Своя модель у каждого включается настройкой USER_MODELS. Общая для всех: /setmodel", NULL},
      {"The setting USER_MODELS lets users have models of their own. The one for everybody: /setmodel", NULL}}},
    {"pricing_title", {{"Цены моделей, которые сейчас работают: за миллион токенов (вопрос / ответ), за минуту или за картинку.", NULL},
                       {"Prices of the models in use: per million tokens (in / out), per minute or per picture.", NULL}}},
    {"pricing_general", {{"по общим ценам настроек", NULL}, {"by the general prices of the settings", NULL}}},
    {"pricing_cached", {{"из кеша", "повторное из кеша: {}"}, {"cached", "cached input: {}"}}},
    {"status_title", {{"Службы", NULL}, {"Services", NULL}}},
    {"status_waits", {{"В очередях, и сколько ждёт первый", NULL}, {"In the queues, and how long the first has waited", NULL}}},
    {"status_busy", {{"Диалогов в работе: 0", "Диалогов в работе: {}"}, {"Dialogues at work: 0", "Dialogues at work: {}"}}},
    {"status_later", {{"Отложено: 0", "Отложено: {}"}, {"Put off: 0", "Put off: {}"}}},
    {"status_redis", {{"Redis: ?", "Redis {}"}, {"Redis: ?", "Redis {}"}}},
    {"status_sqlite", {{"SQLite: ?", "SQLite: {}"}, {"SQLite: ?", "SQLite: {}"}}},
    {"status_dead", {{"Последние неудачи:", NULL}, {"The last failures:", NULL}}},
    {"limits_title", {{"Что OpenAI ещё позволяет (осталось / всего, ↻ когда снова всё):", NULL}, {"What OpenAI still allows (left / of, ↻ until all of it is back):", NULL}}},
    {"limits_requests", {{"запросы", "запросы: {}"}, {"requests", "requests: {}"}}},
    {"limits_tokens", {{"токены", "токены: {}"}, {"tokens", "tokens: {}"}}},
    {"limits_none", {{"Сервис за последние сутки ничего об ограничениях не сказал.", NULL}, {"The service has said nothing about limits for a day.", NULL}}},
    {"broadcast_usage",
     {{"Сообщение всем: /broadcast и текст, можно с Markdown. Остановить рассылку: /broadcast stop", NULL},
      {"A message to everybody: /broadcast and the text, Markdown is fine. To stop it on its way: /broadcast stop", NULL}}},
    {"broadcast_ask", {{"☝️ Отправить это всем?", "☝️ Отправить это всем, кто спрашивал бота в личном чате ({})?"}, {"☝️ Send this to everybody?", "☝️ Send this to everybody who has asked the bot something in private ({})?"}}},
    {"broadcast_nobody", {{"Бота в личном чате ещё никто ни о чём не спрашивал.", NULL}, {"Nobody has asked the bot anything in private yet.", NULL}}},
    {"broadcast_running", {{"📣 Отправляю…", "📣 Отправляю: {}"}, {"📣 Sending…", "📣 Sending: {}"}}},
    {"broadcast_done", {{"📣 Отправлено.", "📣 Отправлено: {}"}, {"📣 Sent.", "📣 Sent: {}"}}},
    {"broadcast_stopped", {{"⏹ Остановлено.", "⏹ Остановлено: {}"}, {"⏹ Stopped.", "⏹ Stopped: {}"}}},
    {"broadcast_stop", {{"Больше никто его не получит.", NULL}, {"Nobody else will get it.", NULL}}},
    {"broadcast_dropped", {{"Не отправлено.", NULL}, {"Not sent.", NULL}}},
    {"broadcast_busy", {{"Другое сообщение ещё отправляется. Остановить его: /broadcast stop", NULL}, {"Another message is still being sent. Stop it: /broadcast stop", NULL}}},
    {"broadcast_old", {{"Это уже решено, или прошло слишком много времени. Напишите ещё раз: /broadcast", NULL}, {"This was already decided, or it is too old. Please write it again: /broadcast", NULL}}},
    {"broadcast_none", {{"Сейчас ничего не отправляется.", NULL}, {"Nothing is being sent now.", NULL}}},
    {"dead_title", {{"Не удалось:", "Не удалось ({}). 🔄 спросить ещё раз, 🗑 забыть:"}, {"Given up:", "Given up ({}). 🔄 asks once more, 🗑 forgets it:"}}},
    {"dead_none", {{"Всё удалось: отброшенных вопросов нет.", NULL}, {"Nothing was given up.", NULL}}},
    {"dead_usage", {{"Так: /dead, /dead replay 1, /dead drop 1, /dead drop all", NULL}, {"Like this: /dead, /dead replay 1, /dead drop 1, /dead drop all", NULL}}},
    {"dead_gone", {{"Такого в списке уже нет: /dead", NULL}, {"It is not in the list any more: /dead", NULL}}},
    {"dead_old", {{"Этот вопрос уже забыт: его можно только убрать.", NULL}, {"What it was is not known any more: it can only be dropped.", NULL}}},
    {"dead_replayed", {{"Спрашиваю ещё раз.", NULL}, {"It is asked once more.", NULL}}},
    {"dead_dropped", {{"Убрано.", NULL}, {"Dropped.", NULL}}},
    {"menu_dead", {{"Что не удалось", NULL}, {"What was given up", NULL}}},
    {"menu_status", {{"Всё ли в порядке", NULL}, {"Is all well", NULL}}},
    {"menu_limits", {{"Ограничения OpenAI", NULL}, {"OpenAI's limits", NULL}}},
    {"menu_pricing", {{"Цены", NULL}, {"Prices", NULL}}},
    {0},
};

enum texts_lang texts_lang(const char *code) {
    return code && !strcmp(code, "en") ? TEXTS_EN : TEXTS_RU;
}

const char *texts_name(size_t i) {
    return table[i].name;
}

static const struct text *find(const char *name) {
    for (const struct text *t = table; t->name; t++)
        if (name && !strcmp(t->name, name))
            return t;
    return NULL;
}

const char *texts_fixed(enum texts_lang lang, const char *name) {
    const struct text *t = find(name);
    assert(t); /* a typing mistake, found by the first test that comes here */
    return t->in[lang].plain;
}

/* The detail may come from anywhere: one line of valid UTF-8, no longer than what is left. */
static char *detail(const char *about, size_t max_units) {
    size_t len;
    char *clean = utf8_clean(about, strlen(about), &len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)clean[i] < 0x20 || clean[i] == 0x7F)
            clean[i] = ' ';
    if (utf8_units(clean, len) > max_units)
        clean[utf8_fit(clean, len, max_units)] = 0;
    return clean;
}

bool texts_line(enum texts_lang lang, const char *name, const char *about, struct buf *out) {
    const struct text *t = find(name);
    bool known = t != NULL;
    if (!known)
        t = find("unknown");
    const struct words *w = &t->in[lang];
    bool has_about = w->about && about && *about && strcmp(about, "0");
    if (!has_about) {
        (void)buf_add_str(out, w->plain); /* the buffer is the caller's, with room for a line */
        return known;
    }
    const char *place = strstr(w->about, "{}");
    size_t frame = utf8_units(w->about, strlen(w->about)) - 2;
    CLEANUP(text_done) char *said = detail(about, TEXTS_MAX_UNITS - frame);
    (void)buf_add(out, w->about, (size_t)(place - w->about));
    (void)buf_add_str(out, said);
    (void)buf_add_str(out, place + 2);
    return known;
}
